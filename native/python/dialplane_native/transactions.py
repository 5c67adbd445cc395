"""Transactions for a user agent. Implemented in the extension's submodule ``_native.transactions``."""

from dialplane_native._native import transactions as _transactions

Failure = _transactions.Failure
Incoming = _transactions.Incoming
Reply = _transactions.Reply
Send = _transactions.Send
Transactions = _transactions.Transactions

__all__ = ["Failure", "Incoming", "Reply", "Send", "Transactions"]
