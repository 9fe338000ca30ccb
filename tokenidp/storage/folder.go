package storage

import (
	"crypto/sha256"
	"encoding/hex"
	"path"
	"strings"

	"github.com/caddyserver/certmagic"
)

// Folder returns the folder of an issuer in the storage. Its name is readable, and
// different for any two issuers.
func Folder(issuer string) string { return FolderNamed(issuer, issuer) }

// FolderNamed is Folder for a URL that may have a secret. The readable part is made of
// name.
func FolderNamed(name, url string) string {
	digest := sha256.Sum256([]byte(url))
	readable := certmagic.StorageKeys.Safe(strings.TrimPrefix(strings.TrimPrefix(name, "https://"), "http://"))
	return path.Join("tokenidp", readable[:min(len(readable), maxReadable)]+"-"+hex.EncodeToString(digest[:4]))
}

// maxReadable, in bytes, keeps the names of the folder and of the lock within the 255
// bytes of a file name.
const maxReadable = 128
