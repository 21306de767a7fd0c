find_package(Python3 REQUIRED COMPONENTS Interpreter)
add_test(NAME rooms COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/rooms.py ${PROJECT_SOURCE_DIR})
# docs/rest.md is a rendering of docs/openapi.yaml.
add_test(NAME rest_md COMMAND ${OTAD_PYTHON} -B ${CMAKE_CURRENT_SOURCE_DIR}/rest_md.py --check)
# So are the types of the page.
add_test(NAME page.schema COMMAND ${OTAD_PYTHON} -B ${PROJECT_SOURCE_DIR}/src/web/schema.py --check)
if(NOT OTAD_SANITIZE)
  add_test(NAME tidy COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/tidy.py ${PROJECT_BINARY_DIR})
  set_tests_properties(tidy PROPERTIES TIMEOUT 1800 RUN_SERIAL ON SKIP_RETURN_CODE 77)
endif()
include(${CMAKE_CURRENT_SOURCE_DIR}/integration.cmake OPTIONAL)
include(${CMAKE_CURRENT_SOURCE_DIR}/bench.cmake)
