# Copyright 2013-2021, New York University and the TUF contributors
# SPDX-License-Identifier: MIT OR Apache-2.0
