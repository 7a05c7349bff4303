package feed

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/wire"
)

// The payloads. Numbers are uvarints unless a width stands behind them, text is
// a count and that many bytes, a filter is
//
//	all:1 [count namespace:16...] max_value count jurisdiction...
//
// with namespaces and jurisdictions in order, each once.
//
//	Hello      version:1 cluster account count{epoch:16 first after generation} purged revision owner:1 filter session:8 location clock
//	Records    prev revision time round:1 count record...
//	Ready      revision time purged
//	Heartbeat  revision age ping clock
//	End        reason:1 message
//	Page       revision time flags:1 count record...       flags: 1 heads, 2 done
//	State      epoch:16 revision time place
//	Known      count{proposer:16 number time} count{request:16 revision time} {index sums}
const (
	helloVersion   = 4 // whoever knows only versions before it takes what is left out for absent
	clusterBytes   = 16
	maxTextBytes   = 256
	maxMessageText = 4096
	maxEpochs      = 1 << 16 // a start each ten seconds, for a week
	maxCarries     = 1 << 16 // namespaces

	maxJurisdictions    = 16
	maxJurisdictionText = 32
	pageHeads           = 1
	pageDone            = 2
	maxAge              = time.Duration(1 << 62)
	maxClock            = 1 << 62
	maxPing             = 1 << 62
	recordsReserved     = 256 // records that memory is taken for before they are seen
)

func appendPayload(b []byte, f Frame) ([]byte, kind) {
	switch f := f.(type) {
	case *Hello:
		return appendHello(b, f), kindHello
	case *Records:
		return appendRecords(appendRecordsHead(b, f.Prev, f.Revision, f.Time, f.Round), f.Records), kindRecords
	case *Ready:
		return appendNumbers(b, uint64(f.Revision), uint64(f.Time), uint64(f.Purged)), kindReady
	case *Heartbeat:
		age, clock := min(max(f.Age, 0), maxAge), min(max(f.Clock, 0), maxClock)
		return appendNumbers(b, uint64(f.Revision), uint64(age), f.Ping, uint64(clock)), kindHeartbeat
	case *End:
		message := f.Message[:min(len(f.Message), maxMessageText)]
		return wire.AppendCounted(append(b, byte(f.Reason)), message), kindEnd
	case *Page:
		return appendRecords(appendPageHead(b, f), f.Records), kindPage
	case *State:
		return appendState(b, f), kindState
	case *Known:
		return appendKnown(b, f), kindKnown
	default:
		panic(fmt.Sprintf("%T is no frame", f))
	}
}

func countRecords(f Frame) int {
	switch f := f.(type) {
	case *Records:
		return len(f.Records)
	case *Page:
		return len(f.Records)
	case *Known:
		return len(f.Proposers) + len(f.Requests)
	}
	return 0
}

func appendNumbers(b []byte, ns ...uint64) []byte {
	for _, n := range ns {
		b = binary.AppendUvarint(b, n)
	}
	return b
}

func appendBool(b []byte, is bool) []byte {
	if is {
		return append(b, 1)
	}
	return append(b, 0)
}

func appendRecords(b []byte, records []godwit.Record) []byte {
	b = binary.AppendUvarint(b, uint64(len(records)))
	for i := range records {
		b = wire.AppendRecord(b, &records[i])
	}
	return b
}

// appendRecordsHead appends what comes before the records of a Records.
func appendRecordsHead(b []byte, prev, revision godwit.Revision, time int64, round bool) []byte {
	return appendBool(appendNumbers(b, uint64(prev), uint64(revision), uint64(time)), round)
}

// appendPageHead appends what comes before the records of a Page.
func appendPageHead(b []byte, p *Page) []byte {
	return append(appendNumbers(b, uint64(p.Revision), uint64(p.Time)), pageFlags(p))
}

func pageFlags(p *Page) (flags byte) {
	if p.Heads {
		flags |= pageHeads
	}
	if p.Done {
		flags |= pageDone
	}
	return flags
}

func appendHello(b []byte, h *Hello) []byte {
	b = append(b, helloVersion)
	b = wire.AppendCounted(b, h.Cluster)
	b = wire.AppendCounted(b, h.Account)
	b = binary.AppendUvarint(b, uint64(len(h.Lineage)))
	for i := range h.Lineage {
		b = append(b, h.Lineage[i].ID[:]...)
		b = appendNumbers(b, uint64(h.Lineage[i].First), uint64(h.Lineage[i].After), h.Lineage[i].Generation)
	}
	b = appendNumbers(b, uint64(h.Purged), uint64(h.Revision))
	b = appendFilter(appendBool(b, h.Owner), h.Carries)
	b = binary.BigEndian.AppendUint64(b, h.Session)
	b = wire.AppendCounted(b, h.Location)
	return appendNumbers(b, uint64(h.Clock))
}

func appendFilter(b []byte, f Filter) []byte {
	b = appendBool(b, f.Namespaces == nil)
	if f.Namespaces != nil {
		b = binary.AppendUvarint(b, uint64(len(f.Namespaces)))
		for i := range f.Namespaces {
			b = append(b, f.Namespaces[i][:]...)
		}
	}
	b = binary.AppendUvarint(b, uint64(f.MaxValue))
	b = binary.AppendUvarint(b, uint64(len(f.Jurisdictions)))
	for _, j := range f.Jurisdictions {
		b = wire.AppendCounted(b, j)
	}
	return b
}

// Decode returns the frame of a kind that a payload is. It points into the
// payload. Error: wire.ErrMalformed.
func Decode(k kind, payload []byte) (Frame, error) {
	d := wire.NewDecoder(payload)
	var f Frame
	switch k {
	case kindHello:
		f = decodeHello(&d)
	case kindRecords:
		r := &Records{Prev: d.Revision(), Revision: d.Revision(), Time: d.Int(), Round: decodeBool(&d)}
		r.Records = decodeRecords(&d)
		f = r
	case kindReady:
		f = &Ready{Revision: d.Revision(), Time: d.Int(), Purged: d.Revision()}
	case kindHeartbeat:
		f = &Heartbeat{Revision: d.Revision(), Age: time.Duration(d.Int()), Ping: uint64(d.Int()), Clock: d.Int()}
	case kindEnd:
		f = &End{Reason: EndReason(d.Byte()), Message: string(d.Counted(maxMessageText))}
	case kindPage:
		f = decodePage(&d)
	case kindState:
		f = decodeState(&d)
	case kindKnown:
		f = decodeKnown(&d)
	default:
		d.Fail()
	}
	if err := d.Err(); err != nil {
		return nil, fmt.Errorf("read frame: %w", err)
	}
	return f, nil
}

func decodeBool(d *wire.Decoder) bool {
	b := d.Byte()
	if b > 1 {
		d.Fail()
	}
	return b == 1
}

func decodeRecords(d *wire.Decoder) []godwit.Record {
	n := d.Int()
	if n > MaxFrameRecords || n > int64(d.Len()/wire.MinRecordBytes) {
		d.Fail()
		return nil
	}
	records := make([]godwit.Record, 0, min(n, recordsReserved))
	for range n {
		var r godwit.Record
		if wire.DecodeRecord(d, &r); d.Bad() {
			return nil
		}
		if r.Swept && r.Expiration == 0 { // it is gone since it has expired
			d.Fail()
			return nil
		}
		records = append(records, r)
	}
	return records
}

func decodePage(d *wire.Decoder) *Page {
	p := &Page{Revision: d.Revision(), Time: d.Int()}
	flags := d.Byte()
	if flags&^(pageHeads|pageDone) != 0 {
		d.Fail()
	}
	p.Heads, p.Done = flags&pageHeads != 0, flags&pageDone != 0
	p.Records = decodeRecords(d)
	return p
}

func decodeHello(d *wire.Decoder) *Hello {
	if d.Byte() != helloVersion {
		d.Fail()
	}
	h := &Hello{Cluster: decodeCluster(d), Account: string(d.Counted(maxTextBytes))}
	h.Lineage = decodeLineage(d)
	h.Purged, h.Revision, h.Owner = d.Revision(), d.Revision(), decodeBool(d)
	h.Carries = decodeFilter(d)
	h.Session = d.Uint64()
	h.Location = string(d.Counted(maxTextBytes))
	h.Clock = d.Int()
	return h
}

// decodeCluster takes the id of a cluster, in the one way that it is written.
func decodeCluster(d *wire.Decoder) string {
	text := string(d.Counted(maxTextBytes))
	if id, err := hex.DecodeString(text); err != nil || len(id) != clusterBytes || hex.EncodeToString(id) != text {
		d.Fail()
	}
	return text
}

func decodeLineage(d *wire.Decoder) godwit.Lineage {
	n := d.Int()
	if n > maxEpochs || n > int64(d.Len()/(len(godwit.EpochID{})+3)) {
		d.Fail()
		return nil
	}
	l := make(godwit.Lineage, n)
	for i := range l {
		copy(l[i].ID[:], d.Bytes(int64(len(l[i].ID))))
		l[i].First, l[i].After = d.Revision(), d.Revision()
		l[i].Generation = uint64(d.Int())
		if l[i].After >= l[i].First || l[i].Generation > godwit.MaxFollowedGeneration {
			d.Fail()
		}
		if i > 0 && !follows(l[i], l[i-1]) {
			d.Fail()
		}
	}
	return l
}

// follows tells whether an epoch may come behind another one.
func follows(e, last godwit.Epoch) bool {
	return e.First > last.First && (e.After == 0 || e.After >= last.First) && e.Generation >= last.Generation
}

func decodeFilter(d *wire.Decoder) (f Filter) {
	if !decodeBool(d) {
		n := d.Int()
		if n > maxCarries || n > int64(d.Len()/len(godwit.NamespaceID{})) {
			d.Fail()
			return f
		}
		f.Namespaces = make([]godwit.NamespaceID, n)
		for i := range f.Namespaces {
			copy(f.Namespaces[i][:], d.Bytes(int64(len(f.Namespaces[i]))))
			if i > 0 && string(f.Namespaces[i-1][:]) >= string(f.Namespaces[i][:]) {
				d.Fail()
			}
		}
	}
	f.MaxValue = d.Int()
	f.Jurisdictions = decodeJurisdictions(d)
	return f
}

// decodeJurisdictions returns what is there, never nil.
func decodeJurisdictions(d *wire.Decoder) []string {
	n := d.Int()
	if n > maxJurisdictions {
		d.Fail()
		return nil
	}
	all := make([]string, n)
	for i := range all {
		all[i] = string(d.Counted(maxJurisdictionText))
		if all[i] == "" || i > 0 && all[i-1] >= all[i] {
			d.Fail()
		}
	}
	return all
}
