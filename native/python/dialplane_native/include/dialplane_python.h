/* The parser of the installed dialplane_native, for extension modules: nothing is linked. `dialplane_native.get_include()` gives the
 * folder of this file.
 *
 *     static const dp_api *sip;
 *     if ((sip = dp_import()) == NULL)     // in the function that makes the module
 *         return NULL;
 *     sip->parse(message, octets, length); // as dp_parse of dialplane.h, with Python's lock or without
 */
#ifndef DIALPLANE_PYTHON_H
#define DIALPLANE_PYTHON_H

#include <Python.h>

#include <dialplane.h>

/* The table of functions, which stays as long as the process; NULL with ImportError set when there is none that fits this header. */
static inline const dp_api *dp_import(void) {
    const dp_api *const *place = (const dp_api *const *)PyCapsule_Import("dialplane_native._native._C_API", 0);
    if (place == NULL) {
        if (PyErr_ExceptionMatches(PyExc_AttributeError)) {
            PyErr_Clear();
            PyErr_SetString(PyExc_ImportError, "the installed dialplane_native has no C interface: upgrade it");
        }
        return NULL;
    }
    if ((*place)->abi != DP_ABI_VERSION) {
        PyErr_Format(PyExc_ImportError,
                     "the C interface of the installed dialplane_native is version %u, and this extension was compiled for version %u: "
                     "compile it anew",
                     (unsigned)(*place)->abi, (unsigned)DP_ABI_VERSION);
        return NULL;
    }
    /* New functions come last, so that a longer table serves as well. */
    if ((*place)->size < sizeof(dp_api)) {
        PyErr_Format(PyExc_ImportError,
                     "the installed dialplane_native is older than the one that this extension was compiled with (%u octets of functions, "
                     "%u are needed): upgrade it",
                     (unsigned)(*place)->size, (unsigned)sizeof(dp_api));
        return NULL;
    }
    return *place;
}

#endif /* DIALPLANE_PYTHON_H */
