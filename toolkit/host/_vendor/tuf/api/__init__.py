# Copyright 2013-2020, New York University and the TUF contributors
# SPDX-License-Identifier: MIT OR Apache-2.0
