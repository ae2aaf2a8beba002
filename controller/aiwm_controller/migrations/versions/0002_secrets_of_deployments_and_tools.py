"""Deployments keep their provider's key, tools their endpoint: what is secret of them, sealed."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add three columns, empty in every row that there is."""
    op.add_column("deployments", sa.Column("sealed_key", sa.LargeBinary(), nullable=True))
    op.add_column("tools", sa.Column("endpoint", sa.JSON(), nullable=True))
    op.add_column("tools", sa.Column("sealed_headers", sa.LargeBinary(), nullable=True))
