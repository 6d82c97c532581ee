# SPDX-License-Identifier: Apache-2.0
"""Other systems' webhooks in, translated into interactions; scores back onto their tickets."""
