"""The drivers: the only modules that import redis. They send calls and map the server's errors; they decide nothing."""
