package storage

import (
	"crypto/sha256"
	"encoding/hex"
	"path"
	"strings"

	"github.com/caddyserver/certmagic"
)

// Folder is where the storage holds what belongs to the issuer: a readable name,
// different for any two issuers.
func Folder(issuer string) string { return FolderNamed(issuer, issuer) }

// FolderNamed is Folder for a URL that may be a secret, under a name that is none.
func FolderNamed(name, url string) string {
	digest := sha256.Sum256([]byte(url))
	readable := certmagic.StorageKeys.Safe(strings.TrimPrefix(strings.TrimPrefix(name, "https://"), "http://"))
	return path.Join("tokenidp", readable[:min(len(readable), maxReadable)]+"-"+hex.EncodeToString(digest[:4]))
}

// maxReadable keeps the folder's name, and the lock's, within the 255 bytes of a
// file name.
const maxReadable = 128
