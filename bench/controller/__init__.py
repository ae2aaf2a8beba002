"""How fast the controller is, beside what bounds it: a bare echo, bcrypt, a browser."""
