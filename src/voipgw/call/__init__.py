"""The words that routing, policy and legs share."""
