// Package csvsource reads and writes CSV files: below an allowed directory, over
// HTTP and in Cloud Storage.
//
// A file is a snapshot: every pull reads all of it, whatever the mapping's
// cursor; what has not changed is passed over by the caller. Values are text.
// Rows that cannot be read (ragged, an open quote, not UTF-8) are rejects with
// their line.
//
// A push rewrites the file: into a new one beside it, synced, and renamed over
// it, so that a reader or a crash sees the old file or the new one. Pushing to
// the same file from two processes at once is not safe; a sync's lease keeps its
// own runs apart.
package csvsource

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"cloud.google.com/go/auth/credentials"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"

	"github.com/headgate/headgate/internal/fault"
	"github.com/headgate/headgate/internal/source"
)

// Name of the kind.
const Name = "csv"

// Kind returns the kind of source.
func Kind() source.Kind {
	return source.Kind{Name: Name, Check: check, Open: open}
}

// file is the source.
type file struct {
	location
	options
	format string
	env    source.Env
}

func open(_ context.Context, d source.Datasource, env source.Env) (source.Source, error) {
	if faults := check(d); len(faults) > 0 {
		return nil, fault.New(fault.Invalid, "datasource.%s", faults[0])
	}
	f := &file{env: env, format: strings.ToLower(d.FileFormat)}
	f.options, _ = decodeOptions(d.Options)
	f.location, _ = parseLocation(d.FileURL)
	if f.path != "" && env.Dir == nil {
		return nil, fault.New(fault.Invalid, "this deployment lets syncs use no files: sync.directory is not configured")
	}
	if f.path != "" {
		if err := env.Reachable(f.path); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (f *file) Close() error  { return nil }
func (f *file) PushSize() int { return 10_000 }

// stream is the file's content as UTF-8.
type stream struct {
	io.Reader
	closers     []io.Closer
	raw         *counter
	size        int64 // of the raw file; 0: unknown
	fingerprint string
	bom         bool // of UTF-8
	packed      bool // by gzip
	mode        fs.FileMode
	encoding    encoding.Encoding // found by its mark; nil: none was
}

func (s *stream) Close() error {
	var errs []error
	for _, c := range slices.Backward(s.closers) {
		errs = append(errs, c.Close())
	}
	s.closers = nil // closing again is harmless
	return errors.Join(errs...)
}

// counter counts what is read, for progress.
type counter struct {
	r io.Reader
	n atomic.Int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}

const bufferSize = 256 << 10

// open opens the file and undoes gzip and encoding.
func (f *file) open(ctx context.Context) (*stream, error) {
	s, err := f.openRaw(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.decode(f.Encoding); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *stream) decode(name string) error {
	s.raw = &counter{r: s.Reader}
	b := bufio.NewReaderSize(s.raw, bufferSize)
	if magic, _ := b.Peek(2); string(magic) == "\x1f\x8b" {
		z, err := gzip.NewReader(b)
		if err != nil {
			return fault.Wrap(fault.Invalid, err, "the file begins as gzip does and is not")
		}
		s.closers, s.packed = append(s.closers, z), true
		b = bufio.NewReaderSize(z, bufferSize)
	}
	e := encodings[strings.ToLower(name)]
	mark, err := b.Peek(3)
	if err != nil && !errors.Is(err, io.EOF) {
		return readError(err)
	}
	switch {
	case e != nil:
		s.Reader = e.NewDecoder().Reader(b)
		return nil
	case string(mark) == "\xef\xbb\xbf":
		s.bom = true
		_, _ = b.Discard(3) // was peeked
	case len(mark) >= 2 && (string(mark[:2]) == "\xff\xfe" || string(mark[:2]) == "\xfe\xff"):
		order := unicode.LittleEndian
		if mark[0] == 0xfe {
			order = unicode.BigEndian
		}
		s.encoding = unicode.UTF16(order, unicode.UseBOM)
		s.Reader = s.encoding.NewDecoder().Reader(b)
		return nil
	}
	s.Reader = b
	return nil
}

func (f *file) openRaw(ctx context.Context) (*stream, error) {
	switch {
	case f.path != "":
		return f.openPath()
	case f.url != "":
		return f.get(ctx, f.url, "")
	default:
		return f.openObject(ctx)
	}
}

func (f *file) openPath() (*stream, error) {
	h, err := f.env.Dir.Open(f.path)
	if err != nil {
		return nil, pathError(f.path, err)
	}
	info, err := h.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fault.New(fault.Invalid, "%s is not a file", f.path)
	}
	if err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return &stream{
		Reader: h, closers: []io.Closer{h}, size: info.Size(), mode: info.Mode().Perm(),
		fingerprint: fmt.Sprintf("%d %d", info.Size(), info.ModTime().UnixNano()),
	}, nil
}

func pathError(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault.Wrap(fault.NotFound, err, "there is no file %s in the directory that syncs may use", path)
	case errors.Is(err, fs.ErrPermission):
		return fault.Wrap(fault.Invalid, err, "the file %s may not be read", path)
	default: // os.Root refuses what leads out of it
		return fault.Wrap(fault.Invalid, err, "the file %s cannot be opened in the directory that syncs may use", path)
	}
}

func (f *file) get(ctx context.Context, target, token string) (*stream, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "fileUrl is not a URL")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := f.env.HTTP.Do(req)
	if err != nil {
		err = fault.WithoutURL(err)
		if _, ok := errors.AsType[*fault.Error](err); ok {
			return nil, err
		}
		return nil, fault.Wrap(fault.Unavailable, err, "the file at %s could not be fetched", req.URL.Host)
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close()
		code := fault.Invalid
		if resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests {
			code = fault.Unavailable
		}
		return nil, fault.New(code, "the file at %s was answered with %s", req.URL.Host, resp.Status)
	}
	s := &stream{Reader: resp.Body, closers: []io.Closer{resp.Body}, size: max(0, resp.ContentLength)}
	if tag := resp.Header.Get("ETag"); tag != "" || resp.Header.Get("Last-Modified") != "" {
		s.fingerprint = fmt.Sprint(tag, " ", resp.Header.Get("Last-Modified"), " ", resp.ContentLength)
	}
	return s, nil
}

// openObject reads an object through Cloud Storage's XML API.
func (f *file) openObject(ctx context.Context) (*stream, error) {
	base, token := "https://storage.googleapis.com", ""
	if host := os.Getenv("STORAGE_EMULATOR_HOST"); host != "" {
		base = "http://" + strings.TrimPrefix(host, "http://")
	} else {
		creds, err := credentials.DetectDefault(&credentials.DetectOptions{
			Scopes: []string{"https://www.googleapis.com/auth/devstorage.read_only"},
		})
		if err != nil {
			return nil, fault.Wrap(fault.Unavailable, err, "there are no Google Cloud credentials to read %s with", f.bucket)
		}
		t, err := creds.Token(ctx)
		if err != nil {
			return nil, fault.Wrap(fault.Unavailable, err, "Google Cloud gave no token to read %s with", f.bucket)
		}
		token = t.Value
	}
	path := (&url.URL{Path: "/" + f.bucket + "/" + f.object}).EscapedPath()
	return f.get(ctx, base+path, token)
}

func readError(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fault.Wrap(fault.Unavailable, err, "the file could not be read to its end")
}

// resume is where a pull goes on. Offsets are in the decoded text.
type resume struct {
	Offset      int64  `json:"offset"`
	Line        int64  `json:"line"`
	Fingerprint string `json:"fingerprint"`
}

// puller implements source.Reader.
type puller struct {
	f       *file
	s       *stream
	r       *scanner
	columns *source.Columns
	size    int // rows of a page
}

// Pull implements [source.Source].
func (f *file) Pull(ctx context.Context, p source.Pull) (source.Reader, error) {
	s, err := f.open(ctx)
	if err != nil {
		return nil, err
	}
	out := &puller{f: f, s: s, r: newScanner(s), size: p.PageSize}
	if err := out.begin(p); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return out, nil
}

func (p *puller) begin(pull source.Pull) error {
	if err := p.r.detect(p.f.Delimiter, p.f.format); err != nil {
		return err
	}
	names, err := p.f.header(p.r)
	if err != nil {
		return err
	}
	for _, k := range pull.Key {
		if !slices.Contains(names, k) {
			return fault.New(fault.Invalid, "the file has no column %q, which the key needs: its columns are %q", k, names)
		}
	}
	p.columns = source.NewColumns(names)
	if pull.Resume == nil {
		return nil
	}
	var at resume
	if err := json.Unmarshal(pull.Resume, &at); err != nil {
		return fmt.Errorf("csvsource: resume: %w", err)
	}
	if at.Fingerprint == "" || at.Fingerprint != p.s.fingerprint {
		return nil // another file by now: from the beginning
	}
	return p.r.skipTo(at.Offset, at.Line)
}

// header returns the columns' names, in order.
func (f *file) header(r *scanner) ([]string, error) {
	if !f.headings() {
		return f.Columns, nil
	}
	row, err := r.row()
	if errors.Is(err, io.EOF) {
		if len(f.Columns) > 0 {
			return f.Columns, nil
		}
		return nil, fault.New(fault.Invalid, "the file is empty: it has no headings")
	}
	if err != nil {
		return nil, err
	}
	if row.bad != "" {
		return nil, fault.New(fault.Invalid, "the headings, line %d: %s", row.line, row.bad)
	}
	if len(f.Columns) > 0 {
		if len(f.Columns) != len(row.values) {
			return nil, fault.New(fault.Invalid, "options.columns has %d names, and the file %d columns", len(f.Columns), len(row.values))
		}
		return f.Columns, nil
	}
	names := make([]string, len(row.values))
	for i, h := range row.values {
		name := strings.TrimSpace(h)
		if to, ok := f.Headers[name]; ok {
			name = to
		}
		switch {
		case name == "":
			return nil, fault.New(fault.Invalid, "heading %d is empty", i+1)
		case slices.Contains(names[:i], name):
			return nil, fault.New(fault.Invalid, "the heading %q is there twice", name)
		}
		names[i] = name
	}
	return names, nil
}

func (p *puller) Close() error { return p.s.Close() }

// Next implements [source.Reader].
func (p *puller) Next(ctx context.Context) (source.Page, error) {
	width := len(p.columns.Names())
	page := source.Page{Rows: make([]source.Row, 0, p.size)}
	cells := make([]any, 0, p.size*width)
	for len(page.Rows)+len(page.Rejects) < p.size {
		if len(page.Rows)%256 == 0 && ctx.Err() != nil {
			return source.Page{}, ctx.Err()
		}
		row, err := p.r.row()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return source.Page{}, err
		}
		if row.bad == "" && len(row.values) != width {
			row.bad = fmt.Sprintf("the row has %d values, and there are %d columns", len(row.values), width)
		}
		if row.bad != "" {
			page.Rejects = append(page.Rejects, source.Reject{Line: row.line, Reason: row.bad, Raw: strings.ToValidUTF8(clip(row.text), "\ufffd")})
			continue
		}
		start := len(cells)
		for _, v := range row.values {
			if p.f.Trim {
				v = strings.TrimSpace(v)
			}
			cells = append(cells, v)
		}
		page.Rows = append(page.Rows, source.Row{Columns: p.columns, Values: cells[start:len(cells):len(cells)], Line: row.line})
	}
	if len(page.Rows)+len(page.Rejects) == 0 {
		return source.Page{}, io.EOF
	}
	var err error
	page.Resume, err = json.Marshal(resume{Offset: p.r.offset(), Line: p.r.line, Fingerprint: p.s.fingerprint})
	page.Done, page.Total = min(p.s.raw.n.Load(), max(p.s.size, 1)), p.s.size
	return page, err
}

// clip bounds what is kept of a row that cannot be read.
func clip(s string) string {
	if len(s) > 2000 {
		return s[:2000] + "…"
	}
	return s
}
