// Xora AI Agent
module.exports = {
  "apps": [
    {
      "name": "xora-agent",
      "script": "/opt/xora-agent/current/dist/index.js",
      "args": [],
      "interpreter": "/opt/xora-agent/current/runtime/node/bin/node",
      "node_args": [
        "--env-file-if-exists=/opt/xora-agent/.env"
      ],
      "cwd": "/opt/xora-agent",
      "instances": 1,
      "exec_mode": "fork",
      "autorestart": true,
      "watch": false,
      "restart_delay": 10000,
      "error_file": "/opt/xora-agent/logs/pm2-error.log",
      "out_file": "/opt/xora-agent/logs/pm2-out.log",
      "merge_logs": true,
      "log_date_format": "YYYY-MM-DD HH:mm:ss Z",
      "env": {
        "PATH": "/opt/xora-agent/current/runtime/node/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "NODE_ENV": "production",
        "AIWM_ENABLED": "true",
        "LOG_LEVEL": "info",
        "LOG_FILE": "./logs/agent.log"
      },
      "max_memory_restart": "1G"
    }
  ]
};
