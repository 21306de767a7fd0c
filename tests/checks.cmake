find_package(Python3 REQUIRED COMPONENTS Interpreter)
add_test(NAME rooms COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/rooms.py ${PROJECT_SOURCE_DIR})
include(${CMAKE_CURRENT_SOURCE_DIR}/integration.cmake OPTIONAL)
include(${CMAKE_CURRENT_SOURCE_DIR}/bench.cmake)
