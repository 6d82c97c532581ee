"""Other systems' webhooks in, translated into interactions; scores back onto their tickets."""
