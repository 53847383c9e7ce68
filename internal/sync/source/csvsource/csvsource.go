// Package csvsource reads CSV files in an allowed directory, over HTTP and in Cloud
// Storage, and writes those in the directory.
//
// A file is a snapshot. Every pull reads all of it and ignores the mapping's cursor; the
// caller skips unchanged rows. Values are text. A row that cannot be read (too few or too
// many values, an open quote, not UTF-8) is a reject with its line.
//
// A push rewrites the file. It writes a new file beside the old one, syncs it to disk and
// renames it over the old one. So a reader or a crash sees the old file or the new one,
// never a part. If others changed the file meanwhile, the push starts again from their
// version. An edit in the instants between the last check and the rename is lost, because
// no file system renames on a condition. Two processes must not push to the same file at
// once; the lease of a sync keeps the sync's own runs apart.
package csvsource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
)

// Name is the kind's name in a definition.
const Name = "csv"

// Kind returns the kind of source.
func Kind() source.Kind {
	return source.Kind{Name: Name, Check: check, Open: open}
}

// file implements source.Source.
type file struct {
	location
	options
	format string
	env    source.Env
	tidied bool // the temporary files of killed processes were removed
	// beforeRename is set by tests. It runs after the file was read and before it is
	// replaced.
	beforeRename func()
	// afterLook is set by tests. It runs after a push has compared the file's content.
	afterLook func()
}

func open(_ context.Context, d source.Datasource, env source.Env) (source.Source, error) {
	o, faults := parse(d)
	if len(faults) > 0 {
		return nil, fault.New(fault.Invalid, "datasource.%s", faults[0])
	}
	f := &file{options: o, env: env, format: strings.ToLower(d.FileFormat)}
	f.location, _ = parseLocation(d.FileURL)
	if f.path != "" && env.Dir == nil && env.Bucket != "" {
		f.location, _ = parseLocation(env.Bucket + "/" + filepath.ToSlash(filepath.Clean(f.path)))
	}
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

// resume is the content of Resume. Offsets count bytes of the decoded text. They are valid
// only for the file with the same fingerprint.
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
	width   int // values of a row in the file, which may end with columns without a heading
	size    int // most rows of a page
}

// Pull implements [source.Source].
func (f *file) Pull(ctx context.Context, p source.Pull) (source.Reader, error) {
	s, err := f.open(ctx)
	if err != nil {
		return nil, err
	}
	out := &puller{f: f, s: s, r: f.scanner(ctx, s), size: p.PageSize}
	if err := out.begin(p); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return out, nil
}

func (p *puller) begin(pull source.Pull) error {
	if err := p.r.detect(p.f.Delimiter, p.f.format); err != nil {
		return err
	}
	names, line, err := p.f.header(p.r)
	if err != nil {
		return err
	}
	p.width = max(len(names), len(line.values))
	for _, k := range pull.Key {
		if !slices.Contains(names, k) {
			return fault.New(fault.Invalid, "the file has no column %q, which the key needs: its columns are %q", k, names)
		}
	}
	if err := pull.CheckColumns(names); err != nil {
		return err
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
		return nil // the file is another one now, so the pull starts from the beginning
	}
	return p.r.skipTo(at.Offset, at.Line)
}

// errNoHeadings fails a pull. Without it, a file that was cut to nothing would look like a
// file from which somebody removed all rows.
var errNoHeadings = fault.New(fault.Invalid, "the file is empty: it has no headings")

// header returns the names of the columns in order, and the line with the headings if there
// is one. Headings at the end of the line may be empty: some programs write a delimiter
// after the last value, too. Such a column has no name, and is not read.
func (f *file) header(r *scanner) ([]string, scanned, error) {
	if !f.headings() {
		return f.Columns, scanned{}, nil
	}
	row, err := r.row()
	if errors.Is(err, io.EOF) {
		return nil, row, errNoHeadings
	}
	if err != nil {
		return nil, row, err
	}
	if row.bad != "" {
		return nil, row, fault.New(fault.Invalid, "the headings, line %d: %s", row.line, row.bad)
	}
	names := make([]string, len(row.values))
	for i, h := range row.values {
		if names[i] = strings.TrimSpace(h); h == nullCell {
			names[i] = ""
		}
	}
	for len(names) > 1 && names[len(names)-1] == "" && len(names) > len(f.Columns) {
		names = names[:len(names)-1]
	}
	if len(f.Columns) > 0 {
		if len(f.Columns) != len(names) {
			return nil, row, fault.New(fault.Invalid, "options.columns has %d names, and the file %d columns", len(f.Columns), len(names))
		}
		return f.Columns, row, nil
	}
	for i, name := range names {
		if to, ok := f.Headers[name]; ok {
			name = to
		}
		switch {
		case name == "":
			return nil, row, fault.New(fault.Invalid, "heading %d is empty", i+1)
		case slices.Contains(names[:i], name):
			return nil, row, fault.New(fault.Invalid, "the heading %q is there twice", name)
		}
		names[i] = name
	}
	return names, row, nil
}

func (p *puller) Close() error { return p.s.Close() }

// Headings implements [source.Headed].
func (p *puller) Headings() []string { return p.columns.Names() }

// Doubt implements [source.Doubting]. The answer of a server is one version of its file.
func (p *puller) Doubt(ctx context.Context) (string, error) {
	if p.s.seen == nil {
		return "", nil
	}
	err := p.f.unchanged(ctx, p.s)
	if errors.Is(err, errChanged) {
		return "somebody changed the source while it was read", nil
	}
	return "", err
}

// Next implements [source.Reader].
func (p *puller) Next(ctx context.Context) (source.Page, error) {
	p.r.alive = ctx.Err
	width := p.width
	rows := min(p.size, max(1, 1<<18/width)) // capacity for ordinary rows; bounded for wide ones
	page := source.Page{Rows: make([]source.Row, 0, rows)}
	cells := make([]any, 0, rows*width)
	// source.PageBytes also ends a page. Each value takes 16 bytes besides its text.
	for bytes := 0; len(page.Rows)+len(page.Rejects) < p.size && bytes < source.PageBytes; {
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
		bytes += len(row.text) + 16*len(row.values)
		if row.bad == "" && len(row.values) != width {
			row.bad = fmt.Sprintf("the row has %d values, and there are %d columns", len(row.values), width)
		}
		if row.bad != "" {
			page.Rejects = append(page.Rejects, source.Reject{Line: row.line, Reason: row.bad, Raw: strings.ToValidUTF8(clip(row.text), "\ufffd")})
			continue
		}
		if len(cells)+width > cap(cells) {
			cells = make([]any, 0, rows*width)
		}
		start := len(cells)
		for _, v := range row.values[:len(p.columns.Names())] {
			if p.f.Trim {
				v = strings.TrimSpace(v)
			}
			if v == nullCell {
				cells = append(cells, nil)
			} else {
				cells = append(cells, v)
			}
		}
		page.Rows = append(page.Rows, source.Row{Columns: p.columns, Values: cells[start:len(cells):len(cells)], Line: row.line})
	}
	if len(page.Rows)+len(page.Rejects) == 0 {
		return source.Page{}, io.EOF
	}
	var err error
	page.Resume, err = json.Marshal(resume{Offset: p.r.offset(), Line: p.r.line, Fingerprint: p.s.fingerprint})
	page.Done, page.Total, page.Unit = min(p.s.raw.n.Load(), max(p.s.size, 1)), p.s.size, source.Bytes
	return page, err
}

// clip shortens the text of a reject. A row may have megabytes, and rejects are stored.
func clip(s string) string {
	if len(s) > 2000 {
		return s[:2000] + "…"
	}
	return s
}
