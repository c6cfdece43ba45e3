/* access_int.h: the one tenant there is. */
#ifndef HG_MANAGER_ACCESS_INT_H
#define HG_MANAGER_ACCESS_INT_H

#include "manager/manager_int.h"

/* The same on every installation: clients may have stored it. */
#define HG_TENANT_ID   "00000000-0000-7000-8000-000000000000"
#define HG_TENANT_NAME "default"

#endif
