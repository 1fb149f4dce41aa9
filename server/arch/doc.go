// Package arch holds the tests that keep the house in order: which package may
// import which, how big files and functions grow, what code outside the
// commands must not do. It has no code of its own. The tests parse the files
// themselves, so Go's test cache notices every change.
package arch
