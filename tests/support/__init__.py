"""What tests share: real hosts, a store to install from, and what to do when they are missing."""
