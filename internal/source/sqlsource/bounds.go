package sqlsource

// What a database answers is bounded while it is read: it may be another's, and a
// short query can make a value of any length.
const (
	maxRow  = 8 << 20  // bytes of a row; a longer one is rejected
	maxPage = 32 << 20 // bytes of rows that are kept at once
)
