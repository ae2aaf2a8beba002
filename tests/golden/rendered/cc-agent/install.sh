#!/usr/bin/env bash
# Installs Xora AI Agent 1.0.0 on this Ubuntu or Debian host.
# Generated: 2026-11-20T12:00:00+00:00
# From: https://cdn.example.com/agents
#
# Read it before you run it. It checks this system, fetches `agentctl` and compares it with
# the SHA-256 below; agentctl then installs the service in /opt/xora-agent and proves that it runs.
#
#   ./install-xora-cc-agent.sh              install, or install again after a change
#   ./install-xora-cc-agent.sh --check      say what would be done, and change nothing
#   ./install-xora-cc-agent.sh --bundle FILE   install without a network
#   ./install-xora-cc-agent.sh --uninstall  remove the service and all that it wrote
#   ./install-xora-cc-agent.sh --help       all that it can do
#
# PROCESS_MANAGER=systemd|pm2  what runs the service (default: systemd)
# STORE_HEADER_FILE=FILE  for a private store: FILE holds one line like this:
#   Authorization: Bearer TOKEN   Its owner must be you or root, and nobody else may read or write it
# STORE_HEADER_OVER_HTTP=1  sends it over plain http too, where the network may read it
{ # bash reads all of this before it runs any of it: a script that was cut off does nothing
set -euo pipefail

# Variables that the service needs; secrets are asked for without an echo. Their values are taken
# first, since the service may call one as this script calls something of its own.
readonly REQUIRED=(AIWM_BASE_URL AIWM_AGENT_ID AIWM_AGENT_SECRET)
readonly SECRET=(AIWM_AGENT_SECRET CLAUDE_CODE_OAUTH_TOKEN)
declare -A given=()
for variable in ${REQUIRED[@]+"${REQUIRED[@]}"} ${SECRET[@]+"${SECRET[@]}"}; do
  given[$variable]="${!variable:-}"
done

readonly NAME=xora-cc-agent
readonly SERVICE=xora-agent
readonly VERSION=1.0.0
readonly STORE=https://cdn.example.com/agents
readonly AGENTCTL=agentctl-0.1.0-0123456789ab.pyz
readonly AGENTCTL_ADDRESS="$STORE/$AGENTCTL"
readonly STORE_HEADER_FILE="${STORE_HEADER_FILE:-}"
readonly STORE_HEADER_OVER_HTTP="${STORE_HEADER_OVER_HTTP:-}"
readonly AGENTCTL_SHA256=efefefefefefefefefefefefefefefefefefefefefefefefefefefefefefefef
readonly PROCESS_MANAGER="${PROCESS_MANAGER:-systemd}"
readonly INSTALL_DIR="${INSTALL_DIR:-/opt/xora-agent}"

# What the options say.
bundle='' version='' cacert='' check=''

# Platform, file and SHA-256 of each tarball.
readonly TARBALLS=(
  linux-x64 xora-cc-agent-v1-linux-x64.tar.gz abababababababababababababababababababababababababababababababab
  linux-arm64 xora-cc-agent-v1-linux-arm64.tar.gz cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd
)

# shellcheck disable=SC1003,SC2016 # what looks like a mistake in quoting below is a value
readonly SETTINGS=(
)

if [[ -t 1 ]]; then
  readonly GREEN=$'\033[0;32m' YELLOW=$'\033[1;33m' RED=$'\033[0;31m' PLAIN=$'\033[0m'
else
  readonly GREEN='' YELLOW='' RED='' PLAIN=''
fi

print_info() { printf '%s[INFO]%s %s\n' "$GREEN" "$PLAIN" "$1"; }
print_warn() { printf '%s[WARN]%s %s\n' "$YELLOW" "$PLAIN" "$1"; }
print_error() { printf '%s[ERROR]%s %s\n' "$RED" "$PLAIN" "$1" >&2; }

# Gives up: what happened, what to do, and the exit code (docs/exit-codes.md).
give_up() {
  print_error "$1"
  print_error "$2"
  exit "$3"
}

private_folder() {
  [[ "$PROCESS_MANAGER" == systemd-user ]] ||
    [[ "$PROCESS_MANAGER" == direct && "$INSTALL_DIR" != /opt/xora-agent ]]
}

check_system() {
  print_info "Checking system requirements..."
  if [[ ! -f /etc/lsb-release && ! -f /etc/debian_version ]]; then
    give_up "This script only supports Ubuntu/Debian systems" "Use a host with Ubuntu or Debian." 10
  fi
  if ((EUID == 0)) && [[ "${ALLOW_ROOT:-}" != 1 ]]; then
    give_up "Please do NOT run this script as root" \
      "Run it as the user who will own the service; it asks for sudo where it needs it." 11
  fi
  local tool
  for tool in python3 sha256sum mktemp tar; do
    command -v "$tool" >/dev/null ||
      give_up "$tool is missing" "Install it: sudo apt-get install python3 coreutils tar" 10
  done
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    give_up "python3 is older than 3.10" "Use Ubuntu 22.04, Debian 12 or newer." 10
}

# Root is needed for /opt/xora-agent and for units, not for a folder of the user's own.
check_rights() {
  if private_folder || ((EUID == 0)); then
    return
  fi
  if ! command -v sudo >/dev/null; then
    give_up "sudo is missing, and $INSTALL_DIR needs root to be written" \
      "Install sudo and let this user use it" 11
  fi
  if ! sudo -n true 2>/dev/null && ! sudo -v; then
    give_up "$(id -un) may not use sudo, and $INSTALL_DIR needs root to be written" \
      "Ask an administrator for sudo" 11
  fi
}

# Runs a command as root where the installation needs root; a proxy that is set is used there too.
as_owner() {
  if private_folder || ((EUID == 0)); then
    "$@"
    return
  fi
  local variable kept=()
  for variable in http_proxy https_proxy no_proxy HTTPS_PROXY NO_PROXY SSL_CERT_FILE SSL_CERT_DIR; do
    [[ -z "${!variable:-}" ]] || kept+=("--preserve-env=$variable")
  done
  sudo ${kept[@]+"${kept[@]}"} -- "$@"
}

run_curl() {
  curl --fail --silent --show-error --retry 3 --retry-connrefused --connect-timeout 10 \
    ${cacert:+--cacert "$cacert"} "$@"
}

# Gives 60, as curl does, where the store's certificate is not believed.
run_wget() {
  local failed=0
  wget --quiet --tries=3 --timeout=30 ${cacert:+--ca-certificate="$cacert"} "$@" || failed=$?
  ((failed != 5)) || failed=60
  return "$failed"
}

# A CA of your own signs for the store: curl, wget and agentctl are all to believe it.
choose_ca() {
  cacert="${cacert:-${CURL_CA_BUNDLE:-${SSL_CERT_FILE:-}}}"
  [[ -n "$cacert" ]] || return 0
  [[ -f "$cacert" && -r "$cacert" ]] ||
    give_up "$cacert, which is to hold the certificate of a CA, can't be read" \
      "Name a file in PEM form by --cacert, SSL_CERT_FILE or CURL_CA_BUNDLE." 2
  cacert=$(realpath -- "$cacert")
  export SSL_CERT_FILE="$cacert"
}

download() {
  if [[ -n "$STORE_HEADER_FILE" ]]; then
    download_private "$1" "$2"
  elif command -v curl >/dev/null; then
    run_curl --location --output "$2" -- "$1"
  elif command -v wget >/dev/null; then
    run_wget --output-document="$2" -- "$1"
  else
    give_up "neither curl nor wget is here" "Install one: sudo apt-get install curl" 10
  fi
}

check_header_file() {
  [[ -n "$STORE_HEADER_FILE" ]] || return 0
  local loopback='^http://(localhost|127(\.[0-9]+){3}|\[::1\])(:[0-9]+)?(/|$)'
  if [[ "${STORE,,}" == http://* && ! "${STORE,,}" =~ $loopback && "$STORE_HEADER_OVER_HTTP" != 1 ]]; then
    give_up "$STORE is not https: whoever is on the network could read the store's header" \
      "Use the store's https address; in a network that nobody else reads: STORE_HEADER_OVER_HTTP=1" 11
  fi
  command -v curl >/dev/null ||
    give_up "STORE_HEADER_FILE needs curl: wget would show the header to every user" \
      "Install it: sudo apt-get install curl" 10
  local facts
  facts=$(as_owner stat --dereference --format '%F:%a:%u' -- "$STORE_HEADER_FILE") ||
    give_up "$STORE_HEADER_FILE can't be read" "Name a file that holds the header." 2
  local kind mode owner
  IFS=: read -r kind mode owner <<<"$facts"
  [[ "$kind" == "regular file" ]] ||
    give_up "$STORE_HEADER_FILE is no file with a header ($kind)" \
      "Write one line into it, such as: Authorization: Bearer TOKEN" 2
  if ((8#$mode & 8#077)); then
    give_up "others may read $STORE_HEADER_FILE (mode $mode)" \
      "chmod 600 $STORE_HEADER_FILE; exchange what is in it if somebody may have seen it." 11
  fi
  if ((owner != 0 && owner != EUID)); then
    give_up "$STORE_HEADER_FILE is owned by somebody else (user id $owner)" \
      "Name a file that you or root own." 11
  fi
}

# Sends the header to the store itself, and not to where it redirects: so curl follows nothing by
# itself, and what it is given comes by pipes, since an argument list can be read by all.
download_private() {
  local url=$1 origin='^https?://[^/?#]+' ours='' hop
  [[ ! "$STORE" =~ $origin ]] || ours=${BASH_REMATCH[0]}
  for ((hop = 0; hop < 10; hop++)); do
    if [[ "$url" =~ $origin && "${BASH_REMATCH[0]}" == "$ours" ]]; then
      url=$(run_curl --output "$2" --write-out '%{redirect_url}' \
        --header "@"<(as_owner cat -- "$STORE_HEADER_FILE") --config <(curl_address "$url")) || return
    else
      run_curl --location --output "$2" --config <(curl_address "$url")
      return
    fi
    [[ -n "$url" ]] || return 0
  done
  return 1
}

# The address that a store redirects to may be signed, which makes it a secret.
curl_address() {
  local url=${1//\\/\\\\}
  printf 'url = "%s"\n' "${url//\"/\\\"}"
}

fetch_agentctl() {
  print_info "Downloading agentctl from $STORE"
  local failed=0
  download "$AGENTCTL_ADDRESS" "$FOLDER/agentctl" || failed=$?
  if ((failed == 60)); then
    give_up "$STORE shows a certificate that this host does not believe" \
      "Most likely a private CA signed it, which this host does not know: name the CA's certificate by --cacert FILE or SSL_CERT_FILE=FILE. Else look at the host's clock, then at what stands between it and the store." 20
  elif ((failed != 0)); then
    give_up "$STORE/$AGENTCTL could not be downloaded" \
      "Check this host's network${STORE_HEADER_FILE:+, the header in $STORE_HEADER_FILE} and that the store serves the file, then run the script again." 20
  fi
}

take_agentctl() {
  print_info "Taking agentctl from $bundle"
  local said again="Copy it again; it must be the file that toolkit bundle wrote."
  said=$(LC_ALL=C tar --extract --to-stdout --occurrence=1 --file "$bundle" -- "$AGENTCTL" \
    2>&1 >"$FOLDER/agentctl") && return
  case "$said" in
    *"No space left"* | *"Wrote only"*)
      give_up "there is no room in $FOLDER" "Make room, or name another folder by TMPDIR=DIR." 22
      ;;
    *"does not look like"* | *"Unexpected EOF"*)
      give_up "$bundle is damaged, or was cut off" "$again" 21
      ;;
    *"Not found in archive"*)
      give_up "$bundle does not hold $AGENTCTL, which this script installs with" \
        "Use the script that is in the bundle: tar -xf $bundle install-$NAME.sh" 21
      ;;
    *) give_up "$bundle can't be read: ${said%%$'\n'*}" "$again" 21 ;;
  esac
}

check_agentctl() {
  if ! sha256sum --check --status <<<"$AGENTCTL_SHA256  $FOLDER/agentctl"; then
    give_up "agentctl is not the file that this script was made for (its SHA-256 differs)" \
      "Do not install from this store before you know why; then get a new script." 21
  fi
}

is_secret() {
  local secret
  for secret in ${SECRET[@]+"${SECRET[@]}"}; do
    [[ "$secret" != "$1" ]] || return 0
  done
  return 1
}

# Asks for what is required and was not given, also when the script itself comes through a pipe.
ask_settings() {
  if [[ -n "$check" || -e "$INSTALL_DIR/.env" ]]; then
    return
  fi
  local variable
  for variable in ${REQUIRED[@]+"${REQUIRED[@]}"}; do
    [[ -n "${given[$variable]}" ]] || in_settings "$variable" || ask "$variable"
  done
}

in_settings() {
  local setting
  for setting in ${SETTINGS[@]+"${SETTINGS[@]}"}; do
    [[ "${setting%%=*}" != "$1" ]] || return 0
  done
  return 1
}

ask() {
  if ! { : </dev/tty; } 2>/dev/null; then
    give_up "$1 is not set" "Set it: $1=... $0" 24
  fi
  local answer=''
  if is_secret "$1"; then
    read -rsp "$1 (not shown): " answer </dev/tty
    printf '\n' >/dev/tty
  else
    read -rp "$1: " answer </dev/tty
  fi
  given[$1]=$answer
}

# Writes NAME=VALUE, each ended by a NUL. They reach agentctl by a pipe: never in an argument list
# and never in a file.
settings() {
  local setting variable
  for setting in ${SETTINGS[@]+"${SETTINGS[@]}"}; do
    printf '%s\0' "$setting"
  done
  for variable in "${!given[@]}"; do
    [[ -z "${given[$variable]}" ]] || printf '%s=%s\0' "$variable" "${given[$variable]}"
  done
}

# A run that was killed could not remove its folder; what runs still keeps its own.
make_folder() {
  local left pid
  for left in "${TMPDIR:-/tmp}/install-$NAME".*; do
    pid=${left#"${TMPDIR:-/tmp}/install-$NAME."}
    pid=${pid%%.*}
    [[ ! -d "$left" || -L "$left" || ! -O "$left" || -d "/proc/$pid" ]] || rm -rf -- "$left"
  done
  FOLDER=$(mktemp -d "${TMPDIR:-/tmp}/install-$NAME.$$.XXXXXXXX") ||
    give_up "no folder could be made in ${TMPDIR:-/tmp}" \
      "Make room there, or name another folder by TMPDIR=DIR." 22
  trap 'rm -rf -- "$FOLDER"' EXIT
}

check_bundle() {
  [[ -n "$bundle" ]] || return 0
  [[ -f "$bundle" && -r "$bundle" ]] ||
    give_up "$bundle can't be read" "Name the file that toolkit bundle wrote." 2
  bundle=$(realpath -- "$bundle")
}

install_agent() {
  check_system
  check_bundle
  choose_ca
  check_rights
  [[ -n "$bundle" ]] || check_header_file
  ask_settings
  make_folder
  if [[ -n "$bundle" ]]; then take_agentctl; else fetch_agentctl; fi
  check_agentctl
  local arguments=(install "$NAME" --service "$SERVICE" --store "$STORE"
    --process-manager "$PROCESS_MANAGER" --home "$INSTALL_DIR" --user "$(id -un)" --settings-stdin)
  arguments+=(--version "$VERSION")
  local index
  for ((index = 0; index < ${#TARBALLS[@]}; index += 3)); do
    arguments+=(--tarball "${TARBALLS[@]:index:3}")
  done
  [[ -z "$check" ]] || arguments+=(--check)
  if [[ -n "$bundle" ]]; then
    settings | as_owner python3 "$FOLDER/agentctl" "${arguments[@]}" --bundle "$bundle"
  else
    run_agentctl "${arguments[@]}"
  fi
  [[ -n "$check" ]] || finish
}

run_agentctl() {
  local arguments=()
  [[ -z "$STORE_HEADER_FILE" ]] || arguments+=(--store-header-file "$STORE_HEADER_FILE")
  [[ "$STORE_HEADER_OVER_HTTP" != 1 ]] || arguments+=(--store-header-over-http)
  settings | as_owner python3 "$FOLDER/agentctl" "$@" ${arguments[@]+"${arguments[@]}"}
}

finish() {
  local agentctl="$INSTALL_DIR/agentctl"
  private_folder || agentctl="sudo $agentctl"
  printf '\n============================================\n'
  print_info "Agent installation completed successfully!"
  printf '============================================\n\n'
  printf 'Agent: %s %s\n' "$NAME" "$VERSION"
  printf 'Installation Directory: %s\n' "$INSTALL_DIR"
  printf 'Process Manager: %s\n\n' "$PROCESS_MANAGER"
  printf 'Useful commands:\n'
  printf '  %-46s # %s\n' "$agentctl status" "View agent status"
  case "$PROCESS_MANAGER" in
    systemd)
      printf '  %-46s # %s\n' "sudo journalctl -u $SERVICE -f" "View logs" \
        "sudo systemctl restart $SERVICE" "Restart agent" "sudo systemctl stop $SERVICE" "Stop agent"
      ;;
    pm2)
      local pm2=pm2
      printf '  %-46s # %s\n' "$pm2 logs $SERVICE" "View logs" \
        "$pm2 restart $SERVICE" "Restart agent" "$pm2 stop $SERVICE" "Stop agent"
      ;;
    direct) printf '  %-46s # %s\n' "tail -f $INSTALL_DIR/logs/agent.log" "View logs" ;;
  esac
  printf '  %-46s # %s\n\n' "$agentctl uninstall" "Remove the agent"
  if ((${#SECRET[@]} > 0)); then
    print_warn "IMPORTANT: Agent secret has been saved to $INSTALL_DIR/.env"
    print_warn "Keep this file secure and do NOT share it!"
  fi
}

print_help() {
  printf 'Installs %s %s on this host.\n\n' "$NAME" "$VERSION"
  printf '  %-14s  %s\n' \
    '(nothing)' 'install, or install again after a change' \
    '--check' 'say what would be done, and change nothing' \
    '--version X' 'refuse to install any other version than X' \
    '--bundle FILE' 'take all from FILE, which toolkit bundle wrote, not from the network' \
    '--cacert FILE' 'believe the CA in FILE; also SSL_CERT_FILE=FILE, CURL_CA_BUNDLE=FILE' \
    'status' 'say what runs' \
    'uninstall' 'remove the service and all that it wrote; also --uninstall' \
    '' 'with --keep-data: all but .env, logs/ and workspace/' \
    '--help' 'say this'
  printf '\nThrough a pipe: curl -fsSL ADDRESS | bash -s -- --check\n'
  printf 'Variables such as PROCESS_MANAGER are explained at the head of the script.\n'
}

parse_options() {
  while (($# > 0)); do
    case "$1" in
      --check) check=yes && shift ;;
      --help | -h) print_help && exit ;;
      --bundle=?* | --version=?* | --cacert=?*) set -- "${1%%=*}" "${1#*=}" "${@:2}" ;;
      --bundle | --version | --cacert)
        [[ -n "${2:-}" ]] || give_up "$1 needs a value" "Run it with --help" 2
        printf -v "${1#--}" '%s' "$2"
        shift 2
        ;;
      *) give_up "$1 is unknown" "Run it with --help" 2 ;;
    esac
  done
  [[ -z "$version" || "$version" == "$VERSION" ]] ||
    give_up "this script installs $NAME $VERSION, not $version" \
      "Get the script of $version, or that of a channel, which takes any version." 2
}

# status and uninstall are what the installed agentctl does.
hand_over() {
  [[ -e "$INSTALL_DIR/agentctl" ]] ||
    give_up "$SERVICE is not installed: there is no $INSTALL_DIR/agentctl" "Install it: $0" 4
  as_owner "$INSTALL_DIR/agentctl" "$@"
}

main() {
  case "${1:-install}" in
    install)
      parse_options "${@:2}"
      install_agent
      ;;
    status | uninstall) hand_over "$@" ;;
    --uninstall) hand_over uninstall "${@:2}" ;;
    --* | -h)
      parse_options "$@"
      install_agent
      ;;
    *) give_up "$1 is unknown" "Use one of: install, status, uninstall, --help" 2 ;;
  esac
}

main "$@"
}
