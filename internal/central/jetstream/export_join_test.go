package jetstream

import (
	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/wire"
)

// MaxAssemblies is how many values come in at once.
const MaxAssemblies = maxAssemblies

// ChunkMessage is a message with a part of a blob's content.
func ChunkMessage(b godwit.Blob, offset int64, data []byte) []byte {
	return appendChunk(nil, firstFormat, &chunk{blob: b, offset: offset, data: data})
}

// BatchMessage is a message with a batch.
func BatchMessage(id store.ProposerID, number uint64, b *godwit.Batch) []byte {
	return appendBatch(nil, firstFormat, kindBatch, id, number, wire.AppendBatch(nil, b))
}
