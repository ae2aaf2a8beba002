"""Local stand-ins for the servers of Discord and Telegram, for their real client libraries."""
