package csvsource

import "bytes"

// lineEnd returns the length of the first line of data with its line end. Lines end with
// LF, CRLF or CR. The line ends at byte from or later. It returns -1 if data does not hold
// the whole line.
//
// It looks for the kind of line end that it found last and only then, within that line, for
// the other kind. A file that has only one of them would otherwise be searched to its end
// for the other one, once for each line.
func (s *scanner) lineEnd(data []byte, from int) int {
	i := bytes.IndexByte(data[from:], s.ends)
	line := data[from:]
	if i >= 0 {
		line = line[:i]
	}
	other := byte('\r')
	if s.ends == '\r' {
		other = '\n'
	}
	if j := bytes.IndexByte(line, other); j >= 0 && (other == '\n' || j+1 != i) { // not the CR of a CRLF
		s.ends, i = other, j
	}
	if i < 0 {
		return -1
	}
	return endOfLine(data, from+i, s.eof)
}

// endOfLine returns the index after the line end that begins at data[i]. It returns -1 for a
// CR at the end of data, as a LF may follow, unless data is the last.
func endOfLine(data []byte, i int, last bool) int {
	switch {
	case data[i] == '\n':
	case i+1 == len(data) && !last:
		return -1
	case i+1 < len(data) && data[i+1] == '\n':
		return i + 2
	}
	return i + 1
}

// skipLine consumes the rest of a line.
func (s *scanner) skipLine() error {
	for {
		data := s.buf[s.start:s.end]
		if n := s.lineEnd(data, 0); n >= 0 {
			s.start += n
			return nil
		}
		if s.start = s.end; len(data) > 0 && data[len(data)-1] == '\r' {
			s.start-- // it may be the CR of a CRLF
		}
		more, err := s.fill()
		if err != nil {
			return err
		}
		if !more && s.start == s.end {
			return nil
		}
	}
}

// countLineEnds returns the number of line ends in the text of a row.
func countLineEnds(text []byte) int64 {
	lf, cr := []byte{'\n'}, []byte{'\r'}
	return int64(bytes.Count(text, lf) + bytes.Count(text, cr) - bytes.Count(text, []byte("\r\n")))
}

// trimEnd returns a line without its line end.
func trimEnd(text []byte) []byte {
	n := len(text)
	if n > 0 && text[n-1] == '\n' {
		n--
		if n > 0 && text[n-1] == '\r' {
			n--
		}
	} else if n > 0 && text[n-1] == '\r' {
		n--
	}
	return text[:n]
}
