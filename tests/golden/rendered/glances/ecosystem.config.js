// Glances system monitor
module.exports = {
  "apps": [
    {
      "name": "glances",
      "script": "/opt/glances/agentctl",
      "args": [
        "exec",
        "--",
        "/opt/glances/current/venv/bin/glances",
        "--webserver",
        "--bind",
        "127.0.0.1",
        "--port",
        "61208",
        "--disable-check-update"
      ],
      "interpreter": "none",
      "cwd": "/opt/glances",
      "instances": 1,
      "exec_mode": "fork",
      "autorestart": true,
      "watch": false,
      "restart_delay": 5000,
      "error_file": "/opt/glances/logs/pm2-error.log",
      "out_file": "/opt/glances/logs/pm2-out.log",
      "merge_logs": true,
      "log_date_format": "YYYY-MM-DD HH:mm:ss Z",
      "env": {
        "PATH": "/opt/glances/current/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
      },
      "max_memory_restart": "512M"
    }
  ]
};
