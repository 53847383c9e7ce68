package store

// Paged collects a page of a listing: at most Limit items, and not much more than PageBytes
// of them. An item that has no room is the proof that a page follows. So a listing reads on
// after its last item, and a full page that nothing follows is the last one.
type Paged[T any] struct {
	Limit int
	Items []T
	size  int
}

// Add adds an item of that many bytes. It reports false, and adds nothing, if the page is
// full. The next page then begins after what was read before this item.
func (p *Paged[T]) Add(item T, size int) bool {
	if p.full() {
		return false
	}
	p.Items = append(p.Items, item)
	p.size += size
	return true
}

// Want returns how many items are still to be read: those for which there is room, and one
// more. A listing that passes over items reads more at once, or the last places of a page
// could take many reads.
func (p *Paged[T]) Want() int {
	if p.full() {
		return 1
	}
	return p.Limit - len(p.Items) + 1
}

func (p *Paged[T]) full() bool { return len(p.Items) >= p.Limit || p.size >= PageBytes }
