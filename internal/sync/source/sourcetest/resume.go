package sourcetest

import (
	"encoding/json"

	"github.com/stretchr/testify/require"
)

var resumeTests = topic{
	"ResumeFromEveryPage": func(f *fixture) {
		f.put(0, 11)
		for _, size := range []int{1, 3, 4, 11} {
			whole := f.pull(f.request(size))
			for i, resume := range whole.resumes {
				p := f.request(size)
				p.Resume = throughJSON(f, resume)
				rest := f.pull(p)
				for _, page := range whole.pages[i+1:] {
					f.contains(rest, page...)
				}
				if len(rest.pages) > 0 {
					require.True(f, whole.cursor.Time.Equal(rest.cursor.Time), "the cursor after resuming is %v, not %v", rest.cursor.Time, whole.cursor.Time)
				}
			}
		}
	},
	"ResumeDoesNotStartOver": func(f *fixture) {
		f.put(0, 40)
		whole := f.pull(f.request(10))
		p := f.request(10)
		p.Resume = throughJSON(f, whole.resumes[len(whole.resumes)-2])
		require.Less(f, len(f.pull(p).records), 40, "the resumed pull started from the beginning")
	},
	"ResumeWithAnotherPageSize": func(f *fixture) {
		f.put(0, 11)
		whole := f.pull(f.request(4))
		p := f.request(3)
		p.Resume = throughJSON(f, whole.resumes[0])
		rest := f.pull(p)
		for _, page := range whole.pages[1:] {
			f.contains(rest, page...)
		}
	},
	"ResumeOfAResumedPull": func(f *fixture) {
		rows := f.put(0, 13)
		got, p := pulled{}, f.request(3)
		for pages := 0; ; pages++ { // a new process for every page
			require.Less(f, pages, 100)
			s := f.open()
			r, err := s.Pull(f.ctx, p)
			require.NoError(f, err)
			more := f.next(r, &got)
			require.NoError(f, r.Close())
			require.NoError(f, s.Close())
			if !more {
				break
			}
			p.Resume = throughJSON(f, got.resumes[len(got.resumes)-1])
		}
		f.same(rows, got)
	},
	"ResumeAfterACursor": func(f *fixture) {
		if !f.h.Cursor {
			return
		}
		f.put(0, 30)
		p := f.request(4)
		p.Cursor = f.pull(p).cursor
		newer := f.put(60, 75)
		whole := f.pull(p)
		f.contains(whole, newer...)
		for i, resume := range whole.resumes {
			p.Resume = throughJSON(f, resume)
			rest := f.pull(p)
			for _, page := range whole.pages[i+1:] {
				f.contains(rest, page...)
			}
			if len(rest.pages) > 0 {
				require.True(f, whole.cursor.Time.Equal(rest.cursor.Time))
			}
		}
	},
}

// throughJSON decodes and encodes a Resume, as saving it in a checkpoint does.
func throughJSON(f *fixture, resume json.RawMessage) json.RawMessage {
	f.Helper()
	var v any
	require.NoError(f, json.Unmarshal(resume, &v))
	out, err := json.Marshal(v)
	require.NoError(f, err)
	return out
}
