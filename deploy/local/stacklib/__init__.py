"""The local stack: the real Kafka, Cassandra, PostgreSQL and Keycloak as plain processes on loopback.

Python's standard library only, because a fresh machine has nothing else. `service.py` says what a service is, one module
each says how it is run, `commands.py` puts them together.
"""
