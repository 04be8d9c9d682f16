"""``python -m ducto_redis`` is the command line."""

from ducto_redis.cli import main

main()
