"""The rules of a contract: a module each, and the table of them."""
