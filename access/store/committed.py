"""The one condition under which a torn tap counts as made, as SQL."""

from __future__ import annotations


def is_committed(torn: str, tmv: str = "tmv") -> str:
    """Return the SQL condition that a row's torn transaction had committed; `tmv` is the column of its MAC value.

    A later tap of the card read that value from file 0F. Only the card makes it, so it is believed of any tap that the
    reader signed: one with a MAC of its own, one that was torn itself, one that was refused.
    """
    key = f"card_id = {torn}.card_id"
    return (
        f"(EXISTS (SELECT FROM tap_claim c WHERE c.{key} AND c.counter = {torn}.counter + 1"
        f" AND c.prior_tmv = {torn}.{tmv})"
        f" OR EXISTS (SELECT FROM tap_prior p WHERE p.{key} AND p.counter = {torn}.counter AND p.tmv = {torn}.{tmv}))"
    )
