"""The sans-IO core: what is sent and what replies mean. No redis, no asyncio, no threads, no clock, no randomness."""
