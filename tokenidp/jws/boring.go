//go:build goexperiment.boringcrypto

package jws

// boringCrypto: the cryptography of this build is BoringSSL's.
const boringCrypto = true
