//go:build !unix

package sqlitestore

// adopt does nothing, because files have no numeric owner here.
func adopt(string, string) error { return nil }
