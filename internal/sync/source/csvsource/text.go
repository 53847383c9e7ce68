package csvsource

import (
	"bufio"
	"bytes"
	"slices"
	"strings"

	"github.com/headgate/headgate/internal/platform/credential"
	"github.com/headgate/headgate/internal/platform/fault"
)

// headSize is how much of a file shows whether it is text: a tar archive has the name of
// its first file before its first zero byte.
const headSize = 512

// binaries are what files begin with that hold others byte by byte, and in which a zero
// byte may come late.
var binaries = []string{
	"PK\x03\x04",                       // zip, whose files need not be packed
	"\x37\x7f\x06\x82",                 // SQLite's write-ahead log
	"\x37\x7f\x06\x83",                 // the same, of the other byte order
	"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7", // SQLite's rollback journal
}

// text refuses what is no text. Rows are found in anything, and a copy of Headgate's
// store, of its write-ahead log, or an archive with one in it, is then a file of
// credentials that everybody may read who defines syncs.
func (s *stream) text(f *file) error {
	name := f.path + f.url
	if name == "" {
		name = "gs://" + f.bucket + "/" + f.object
	}
	if err := f.env.NotStore(name, s.head); err != nil {
		return err
	}
	b := bufio.NewReaderSize(s.Reader, bufferSize)
	decoded, _ := b.Peek(headSize) // whoever reads on gets the error
	s.Reader = b
	line, _, _ := bytes.Cut(decoded, []byte("\n")) // below the headings, a value may have a zero byte
	if slices.ContainsFunc(binaries, func(magic string) bool { return strings.HasPrefix(string(s.head), magic) }) || bytes.IndexByte(line, 0) >= 0 {
		return fault.New(fault.Invalid, "the file %s is not text: it is an archive or a database, or its encoding has to be named", credential.RedactURL(name))
	}
	return nil
}
