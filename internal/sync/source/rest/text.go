package rest

import (
	"context"
	"mime"

	"github.com/headgate/headgate/internal/platform/budget"
	"github.com/headgate/headgate/internal/platform/charset"
	"github.com/headgate/headgate/internal/platform/fault"
)

// utf8Text returns an answer as UTF-8 without a byte order mark. A mark tells the encoding,
// or else the answer's Content-Type. JSON ought to be UTF-8, but servers with old databases
// send other encodings. An answer with bytes that stand for no character is refused as a
// whole: its encoding is another one than it says, so its other text would be wrong as well.
func utf8Text(ctx context.Context, hold *budget.Hold, mediaType string, raw []byte, host string) ([]byte, error) {
	set, known := charset.OfType(mediaType)
	if marked, ok := charset.Marked(raw); ok {
		set, known = marked, true
	}
	if set.Decoder() != nil && len(raw) >= smallAnswer {
		if err := room(ctx, hold, readCopies*int64(len(raw)), host); err != nil {
			return nil, err
		}
	}
	text, err := set.Decode(raw)
	if err == nil {
		return text, nil
	}
	_, params, _ := mime.ParseMediaType(mediaType)
	if name := params["charset"]; !known {
		return nil, fault.Wrap(fault.Invalid, err, "the answer of %s is not UTF-8, and the charset %.40q of its Content-Type is not known", host, name)
	} else if name != "" {
		return nil, fault.Wrap(fault.Invalid, err, "the answer of %s is not text of the charset %.40q, which its Content-Type names", host, name)
	}
	return nil, fault.Wrap(fault.Invalid, err, "the answer of %s is not UTF-8, and its Content-Type names no other charset", host)
}
