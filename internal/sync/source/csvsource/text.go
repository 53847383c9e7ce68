package csvsource

import (
	"bufio"
	"bytes"
	"slices"
	"strings"

	"github.com/headgate/headgate/internal/platform/credential"
	"github.com/headgate/headgate/internal/platform/fault"
)

// headSize is the number of bytes that show whether a file is text. A tar archive has its
// first zero byte only after the name of its first file.
const headSize = 512

// binaries lists the first bytes of formats that can hold a database uncompressed and
// whose first zero byte may come late.
var binaries = []string{
	"PK\x03\x04",                       // zip, which can store files uncompressed
	"\x37\x7f\x06\x82",                 // SQLite's write-ahead log
	"\x37\x7f\x06\x83",                 // the same in the other byte order
	"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7", // SQLite's rollback journal
}

// text refuses a file that is not text. A scanner finds rows in any bytes. A definition
// could otherwise read the credentials of all syncs from a copy of Headgate's store, from
// its write-ahead log or from an archive with one of them.
func (s *stream) text(f *file) error {
	name := f.path + f.url
	if name == "" {
		name = "gs://" + f.bucket + "/" + f.object
	}
	if err := f.env.NotStore(name, s.head); err != nil {
		return err
	}
	b := bufio.NewReaderSize(s.Reader, bufferSize)
	decoded, _ := b.Peek(headSize) // the next read returns the error
	s.Reader = b
	line, _, _ := bytes.Cut(decoded, []byte("\n")) // values in the other lines may contain a zero byte
	if slices.ContainsFunc(binaries, func(magic string) bool { return strings.HasPrefix(string(s.head), magic) }) || bytes.IndexByte(line, 0) >= 0 {
		return fault.New(fault.Invalid, "the file %s is not text: it is an archive or a database, or options.encoding must name its encoding", credential.RedactURL(name))
	}
	return nil
}
