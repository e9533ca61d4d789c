"""The signed feed of revoked weights: published by who released them, asked by who opens them.

The feed is a TUF repository (The Update Framework, theupdateframework.io), so that its freshness,
order and wholeness are TUF's own: a timestamp that expires within days, versions that only grow,
a snapshot that names every other file by its digest. Packages `tuf` and `securesystemslib` are
needed by who has or trusts a feed, and by nobody else: the extra [release].
"""
