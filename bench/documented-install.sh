#!/usr/bin/env bash
# What the install scripts in use before this toolkit did: Node.js in NVM's layout, the agent's
# files, `npm install` on the host, a systemd unit. In place of `nvm install` stand the fetches,
# the check and the unpacking that it does, so that nothing outside is asked.
set -euo pipefail

readonly MIRROR=$1 VERSION=$2 DOWNLOAD_URL=$3
export npm_config_registry=$4
readonly INSTALL_DIR=/opt/verdaccio SERVICE_NAME=verdaccio
readonly VERSIONS="$HOME/.nvm/versions/node"

install_node() {
  local name="node-v$VERSION-linux-x64" cache="$HOME/.nvm/.cache/bin"
  mkdir -p "$cache/$name" "$VERSIONS/v$VERSION"
  curl --fail --silent --show-error -o "$HOME/.nvm/.cache/index.tab" "$MIRROR/index.tab"
  grep -q "^v$VERSION" "$HOME/.nvm/.cache/index.tab"
  curl --fail --silent --show-error -o "$cache/$name/SHASUMS256.txt" "$MIRROR/v$VERSION/SHASUMS256.txt"
  curl --fail --silent --show-error -o "$cache/$name/$name.tar.gz" "$MIRROR/v$VERSION/$name.tar.gz"
  (cd "$cache/$name" && sha256sum --check --quiet SHASUMS256.txt)
  tar -xzf "$cache/$name/$name.tar.gz" -C "$VERSIONS/v$VERSION" --strip-components=1 --no-same-owner
  export PATH="$VERSIONS/v$VERSION/bin:$PATH"
  node -v
  npm -v
}

install_files() {
  sudo mkdir -p "$INSTALL_DIR"
  sudo chown "$(id -un):" "$INSTALL_DIR"
  cd /tmp
  wget --quiet -O agent.tar.gz "$DOWNLOAD_URL"
  tar -xzf agent.tar.gz -C "$INSTALL_DIR"
  rm agent.tar.gz
  cd "$INSTALL_DIR"
  npm install --production
}

start_service() {
  sudo tee "/etc/systemd/system/$SERVICE_NAME.service" >/dev/null <<UNIT
[Unit]
Description=Verdaccio
After=network.target

[Service]
Type=simple
User=$(id -un)
WorkingDirectory=$INSTALL_DIR
ExecStart=$(command -v node) $INSTALL_DIR/node_modules/verdaccio/bin/verdaccio --listen 127.0.0.1:4873
Restart=always
RestartSec=10
SyslogIdentifier=$SERVICE_NAME
Environment="PATH=$VERSIONS/v$VERSION/bin:/usr/local/bin:/usr/bin:/bin"
Environment="NODE_ENV=production"
Environment="XDG_CONFIG_HOME=$INSTALL_DIR/workspace" "XDG_DATA_HOME=$INSTALL_DIR/workspace"

[Install]
WantedBy=multi-user.target
UNIT
  sudo systemctl daemon-reload
  sudo systemctl enable "$SERVICE_NAME"
  sudo systemctl start "$SERVICE_NAME"
}

install_node
install_files
start_service
