# SPDX-License-Identifier: Apache-2.0
# DNNL::dnnl, oneDNN 2.6 or 3.x. Debian's own CMake package of it asks for OpenCL's development files, which nothing here
# needs; so the library and its header are looked for directly, and the package is used where -Ddnnl_DIR names one or
# where the direct way finds nothing.
if(NOT dnnl_DIR)
  find_library(SPK_DNNL_LIBRARY dnnl)
  find_path(SPK_DNNL_INCLUDE dnnl.h)
endif()
if(SPK_DNNL_LIBRARY AND SPK_DNNL_INCLUDE)
  add_library(DNNL::dnnl UNKNOWN IMPORTED)
  set_target_properties(DNNL::dnnl PROPERTIES IMPORTED_LOCATION ${SPK_DNNL_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${SPK_DNNL_INCLUDE})
  message(STATUS "oneDNN: ${SPK_DNNL_LIBRARY}")
else()
  find_package(dnnl CONFIG REQUIRED)
  message(STATUS "oneDNN: ${dnnl_DIR}")
endif()
