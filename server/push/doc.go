// Package push sends streams on to other servers while they are live. It
// remembers where, connects when a stream goes on air, again when that failed,
// and says in a sentence how each push is doing. Addresses hold stream keys:
// nothing that leaves the package shows one. It does not know the protocols: a
// Sender speaks each.
package push
