/*
 * bcryptprimitives.dll for Wine before 9.0, which has none: the one function of
 * it that Go's runtime asks for when a program starts (src/runtime/os_windows.go).
 */
#include <windows.h>
#include <ntsecapi.h> /* RtlGenRandom, SystemFunction036 of advapi32.dll */

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T size)
{
	const SIZE_T most = 1 << 30; /* RtlGenRandom counts in 32 bits. */

	while (size > 0) {
		ULONG part = (ULONG)(size < most ? size : most);
		if (!RtlGenRandom(data, part))
			return FALSE;
		data += part;
		size -= part;
	}
	return TRUE;
}
