// Package acmetest contains tests that obtain certificates with the program ignis from Pebble, the
// ACME server that Let's Encrypt makes for tests. Pebble verifies the domains over the network; a
// DNS server of the test says where they are. It is a module of its own, so that Pebble is not a
// dependency of users.
package acmetest
