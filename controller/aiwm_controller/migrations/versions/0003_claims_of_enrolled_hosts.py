"""Agents that enrolled keep a hash of the claim by which their host alone enrolls again."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column, empty in every row that there is: those hosts have claimed nothing."""
    op.add_column("agents", sa.Column("claim_hash", sa.String(64), nullable=True))
