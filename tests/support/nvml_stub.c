/* A driver of one device that answers some questions, refuses one and lacks the rest. */
#include <string.h>

enum { OK = 0, INVALID = 2, NO_PERMISSION = 4 };
typedef struct { unsigned long long total, unused, used; } Memory;

int nvmlInit_v2(void) { return OK; }
int nvmlInitWithFlags(unsigned flags) { return flags ? INVALID : OK; }
int nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(int code) { return code ? "refused" : "fine"; }
int nvmlSystemGetDriverVersion(char *text, unsigned size) { strncpy(text, "600.1", size); return OK; }
int nvmlSystemGetCudaDriverVersion_v2(int *version) { *version = 13010; return OK; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 1; return OK; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device)
{
    static int only;
    *device = &only;
    return index ? INVALID : OK;
}
int nvmlDeviceGetName(void *device, char *text, unsigned size) { strncpy(text, "Stub 1", size); return OK; }
int nvmlDeviceGetMemoryInfo(void *device, Memory *memory) { return NO_PERMISSION; }
int nvmlDeviceGetMemoryBusWidth(void *device, unsigned *bits) { *bits = 512; return OK; }
int nvmlDeviceGetMaxClockInfo(void *device, int kind, unsigned *megahertz) { *megahertz = 1000 + kind; return OK; }
int nvmlDeviceGetEccMode(void *device, unsigned *now, unsigned *later) { *now = 1; *later = 0; return OK; }
int nvmlDeviceGetCurrentClocksThrottleReasons(void *device, unsigned long long *reasons) { *reasons = 1 | 4; return OK; }
int nvmlDeviceGetCudaComputeCapability(void *device, int *major, int *minor) { *major = 9; *minor = 0; return OK; }
