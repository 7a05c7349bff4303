package repository

var (
	DecodeManifest = decodeManifest
	DecodeItems    = decodeItems
	AppendItem     = appendItem
)
