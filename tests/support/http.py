"""One client for all that a test process asks: each of its own would read all trusted roots anew.

That takes as long as hundreds of requests to this machine. A connection is not used twice, since
the servers of tests are killed and started again.
"""

import httpx2

HTTP = httpx2.Client(limits=httpx2.Limits(max_keepalive_connections=0), timeout=60)
