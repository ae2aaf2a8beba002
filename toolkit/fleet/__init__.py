"""What is done with all hosts of an inventory: stories, each over Fabric or Ansible."""
