"""What Molecule's scenarios stand on: hosts, a store, releases, and what runs them side by side."""
