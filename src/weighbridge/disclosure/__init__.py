"""What happens to a flaw that somebody reports in released weights, from the report to the notice.

Weights that were released can't be called back; whoever holds them can only be told. The desk takes
reports in, keeps what may not be shown, counts the days, and writes the advisory; the room
`weighbridge.revocation` carries it to the holders.
"""
