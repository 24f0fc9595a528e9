"""How Alembic runs the steps in `versions/`: over the connection, and in the transaction, of `hakobu.hub.migrate`."""

from alembic import context

from hakobu.hub.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
