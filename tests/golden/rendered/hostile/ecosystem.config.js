// Bob's "agent" $(touch /tmp/pwned) `id` %h ${HOME} */
module.exports = {
  "apps": [
    {
      "name": "hostile",
      "script": "/opt/hostile/agentctl",
      "args": [
        "exec",
        "--",
        "/opt/hostile/current/agent",
        "two words",
        "$HOME",
        "%h",
        "a\"b",
        "it's",
        "back\\slash",
        "line\nbreak",
        "",
        ";",
        "\u00e9",
        "$(touch /tmp/pwned)"
      ],
      "interpreter": "none",
      "cwd": "/opt/hostile",
      "instances": 1,
      "exec_mode": "fork",
      "autorestart": true,
      "watch": false,
      "restart_delay": 10000,
      "error_file": "/opt/hostile/logs/pm2-error.log",
      "out_file": "/opt/hostile/logs/pm2-out.log",
      "merge_logs": true,
      "log_date_format": "YYYY-MM-DD HH:mm:ss Z",
      "env": {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "QUOTED": "a \"b\" 'c' \\ $HOME %h ${X} $(touch /tmp/pwned) `id`",
        "LINES": "one\ntwo",
        "BRACES": "{\"json\": {\"a\": \"/opt/hostile\"}, \"b\": \"{other}\"}"
      }
    }
  ]
};
